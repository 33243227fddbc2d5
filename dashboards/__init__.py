"""From the published layer to pages: figures, pages, the site and the gate that serves it."""

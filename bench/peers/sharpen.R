# An optimiser for lmer that starts near the optimum: Newton steps with slopes by differences of
# fourth order. Optimisers that see values only end within 1e-6 or so of the optimum.
sharpen <- function(fn, par, lower, upper, control) {
  theta <- par
  free <- theta > 1e-4
  theta[!free] <- 0
  at <- function(z) fn(replace(theta, free, z))
  for (round in 1:3) if (any(free)) {
    z <- theta[free]; k <- length(z); h <- 0.01 * z
    step <- function(i, m) replace(numeric(k), i, m * h[i])
    slope <- sapply(1:k, function(i) (at(z + step(i, -2)) - 8 * at(z + step(i, -1)) +
                                      8 * at(z + step(i, 1)) - at(z + step(i, 2))) / (12 * h[i]))
    bend <- matrix(0, k, k)
    for (i in 1:k) for (j in 1:k) {
      m <- function(a, b) at(z + step(i, a) + step(j, b))
      bend[i, j] <- (m(1, 1) - m(1, -1) - m(-1, 1) + m(-1, -1)) / (4 * h[i] * h[j])
    }
    theta[free] <- z - solve(bend, slope)
  }
  list(par = theta, fval = fn(theta), conv = 0, message = "")
}

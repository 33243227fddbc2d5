# Data sets and reference figures of test_growth.py and test_quantiles.py.
# Run in this folder: Rscript growth.R. Needs quantreg and mlmRev (Debian: r-cran-quantreg,
# r-cran-mlmrev). The tests themselves need no R.
suppressPackageStartupMessages({library(quantreg); library(splines); library(mlmRev)})
taus <- (1:100 - 0.5) / 100

keep <- function(frame, name) {
  out <- gzfile(name, "w", compression = 9)
  write.csv(frame, out, row.names = FALSE, quote = FALSE, na = "")
  close(out)
}

# STAR: mathematics in grades 3, 2 and 1 of the same pupils, those with a score in grades 3 and 2.
wide <- reshape(star[!is.na(star$math), c("id", "gr", "math")],
                idvar = "id", timevar = "gr", direction = "wide")
wide <- wide[!is.na(wide$math.3) & !is.na(wide$math.2), ]
pupils <- data.frame(math3 = wide$math.3, math2 = wide$math.2, math1 = wide$math.1)
keep(pupils, "star_math.csv.gz")
# Chem97: point score at A-level chemistry (six values) and mean GCSE score, every sixth student.
chem <- Chem97[seq(1, nrow(Chem97), 6), c("score", "gcsescore")]
keep(data.frame(score = chem$score, gcse = chem$gcsescore), "chem97.csv.gz")

basis <- function(x) {
  widened <- range(x) + c(-0.1, 0.1) * diff(range(x))
  bs(x, knots = quantile(x, c(0.2, 0.4, 0.6, 0.8)), Boundary.knots = widened)
}
solved <- function(y, priors) {
  X <- cbind(1, do.call(cbind, lapply(priors, function(x) unclass(basis(x)))))
  beta <- sapply(taus, function(tau) suppressWarnings(rq.fit.br(X, y, tau = tau))$coefficients)
  fitted <- X %*% beta
  loss <- function(r, tau) sum(r * (tau - (r < 0)))
  list(
    n = length(y), columns = ncol(X), rank = qr(X)$rank,
    objective = sapply(seq_along(taus), function(i) loss(y - fitted[, i], taus[i])),
    # Strictly below, with quantiles that are equal to the score up to rounding not below.
    percentile = pmin(pmax(rowSums(fitted < y - 1e-9 * diff(range(y))), 1), 99)
  )
}
number <- function(x) paste0("[", paste(sprintf("%.17g", x), collapse = ", "), "]")
text <- function(fit) paste0(
  '{"n": ', fit$n, ', "columns": ', fit$columns, ', "rank": ', fit$rank,
  ',\n    "objective": ', number(fit$objective),
  ',\n    "percentile": ', number(fit$percentile), "}")

at <- seq(min(pupils$math2), max(pupils$math2), length.out = 9)
spline <- basis(pupils$math2)
values <- predict(spline, at)
second <- !is.na(pupils$math1)
one <- solved(pupils$math3, list(pupils$math2))
two <- solved(pupils$math3[second], list(pupils$math2[second], pupils$math1[second]))
tied <- solved(chem$score, list(chem$gcsescore))
writeLines(paste0(
  '{"R": "', getRversion(), '", "quantreg": "', packageVersion("quantreg"),
  '", "mlmRev": "', packageVersion("mlmRev"), '",\n  "taus": ', number(taus),
  ',\n  "basis": {"at": ', number(at), ', "knots": ', number(attr(spline, "knots")),
  ', "boundary": ', number(attr(spline, "Boundary.knots")),
  ',\n    "rows": [', paste(apply(values, 1, number), collapse = ",\n      "), "]},",
  '\n  "star_order_1": ', text(one), ',\n  "star_order_2": ', text(two),
  ',\n  "chem97": ', text(tied), "\n}"), "growth.json")

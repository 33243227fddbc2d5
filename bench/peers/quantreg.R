# The peer of bench/growth.py: one grade's growth percentiles fitted by R's quantreg, as the package
# SGP fits them. Rscript quantreg.R FILE METHOD EVERY OUT: FILE holds score and two priors, METHOD is
# br or pfn, every EVERY-th of the 100 quantiles is fitted, OUT receives the objectives (order,
# quantile, objective). Prints the versions, then the CPU seconds of the fits alone, scaled up to
# all 100 quantiles.
suppressPackageStartupMessages({library(quantreg); library(splines)})
given <- commandArgs(trailingOnly = TRUE)
table <- read.csv(given[1])
every <- as.integer(given[3])
taus <- ((1:100 - 0.5) / 100)[seq(ceiling(every / 2), 100, by = every)]
basis <- function(x) {
  widened <- range(x) + c(-0.1, 0.1) * diff(range(x))
  unclass(bs(x, knots = quantile(x, c(0.2, 0.4, 0.6, 0.8)), Boundary.knots = widened))
}
solve_one <- if (given[2] == "br") rq.fit.br else rq.fit.pfn
spent <- 0
kept <- NULL
set.seed(1) # pfn draws a subsample
for (order in 1:2) {
  X <- cbind(1, basis(table$prior1))
  if (order == 2) X <- cbind(X, basis(table$prior2))
  y <- table$score
  for (tau in taus) {
    spent <- spent + system.time(
      beta <- suppressWarnings(solve_one(X, y, tau = tau))$coefficients
    )[["user.self"]]
    r <- y - X %*% beta
    kept <- rbind(kept, data.frame(order, tau, objective = sum(r * (tau - (r < 0)))))
  }
}
kept$objective <- sprintf("%.17g", kept$objective)
write.csv(kept, given[4], row.names = FALSE, quote = FALSE)
cat("R", as.character(getRversion()), "quantreg", as.character(packageVersion("quantreg")), "\n")
cat(spent * 100 / length(taus), "\n")

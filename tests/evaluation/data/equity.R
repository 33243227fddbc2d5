# Reference figures of tests/evaluation/equity/ and test_robustness.py:
#   cd tests/evaluation/data && Rscript equity.R
# Data: Exam of the R package mlmRev (equity.md). Writes equity_exam.csv.gz and equity.json.
suppressMessages({
  library(mlmRev); library(lme4); library(pROC); library(jsonlite); library(boot)
})
data(Exam)
exam <- data.frame(
  school = as.integer(Exam$school), girl = as.integer(Exam$sex == "F"),
  outcome = Exam$normexam, prior = Exam$standLRT
)
out <- gzfile("equity_exam.csv.gz", "w")
write.csv(format(exam, digits = 15, trim = TRUE), out, row.names = FALSE, quote = FALSE)
close(out)

roc <- roc(exam$girl, exam$outcome, levels = c(0, 1), direction = "<", quiet = TRUE)
empty <- lmer(outcome ~ 1 + (1 | school), exam,
  control = lmerControl(optCtrl = list(ftol_abs = 1e-15, xtol_abs = 1e-13, maxeval = 1e5))
)
variance <- as.data.frame(VarCorr(empty))$vcov
within <- lm(outcome ~ prior + factor(school), exam)
means <- aggregate(cbind(outcome, prior) ~ school, exam, mean)
means$n <- as.vector(table(exam$school))
between <- lm(outcome ~ prior, means, weights = n)
cor <- cor.test(means$outcome, means$prior)
a <- exam$outcome[exam$girl == 1]
b <- exam$outcome[exam$girl == 0]
pooled <- sqrt(((length(a) - 1) * var(a) + (length(b) - 1) * var(b)) /
  (length(a) + length(b) - 2))

# Means on a scale without negative values, for the measures of inequality.
x <- 50 + 10 * means$outcome
w <- means$n / sum(means$n)
mu <- sum(w * x)
gini <- sum(outer(w, w) * abs(outer(x, x, "-"))) / (2 * mu)
cv <- sqrt(sum(w * (x - mu)^2)) / mu
theil <- sum(w * (x / mu) * log(x / mu))
# The BCa interval of the coefficient of variation, schools drawn with their students.
set.seed(1)
statistic <- function(d, f) {
  v <- f * means$n
  m <- sum(v * x) / sum(v)
  sqrt(sum(v * (x - m)^2) / sum(v)) / m
}
drawn <- boot(means, statistic, 99999, stype = "f")
bca <- boot.ci(drawn, type = "bca", L = empinf(
  data = means, statistic = statistic, stype = "f", type = "jack"
))$bca[4:5]

write_json(list(
  versions = list(
    R = as.character(getRversion()), mlmRev = as.character(packageVersion("mlmRev")),
    lme4 = as.character(packageVersion("lme4")), pROC = as.character(packageVersion("pROC")),
    boot = as.character(packageVersion("boot"))
  ),
  auc = as.numeric(auc(roc)), auc_variance = var(roc, method = "delong"),
  icc = variance[1] / sum(variance),
  within = unname(coef(within)["prior"]), between = unname(coef(between)["prior"]),
  correlation = c(unname(cor$estimate), cor$conf.int[1:2]),
  d = (mean(a) - mean(b)) / pooled,
  gini = gini, coefficient_of_variation = cv, theil = theil,
  coefficient_of_variation_bca = bca
), "equity.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)

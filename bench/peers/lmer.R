# lme4's lmer as a peer of pipelines/evaluation/multilevel.py:
#   Rscript lmer.R data.csv levels estimates.json
# data.csv holds school, district, x0 … x5, y. Prints the processor seconds of lmer() with its
# own settings last, the reading left out (it has one thread; waiting would count against it). Its optimum is then sharpened, outside the time, for the comparison.
suppressMessages({library(lme4); library(data.table); library(jsonlite)})
given <- commandArgs(TRUE)
setDTthreads(2)
d <- as.data.frame(fread(given[1]))
random <- if (given[2] == "3") "(1 | school) + (1 | district)" else "(1 | school)"
f <- as.formula(paste("y ~", paste0("x", 0:5, collapse = " + "), "+", random))
seconds <- sum(system.time(fit <- lmer(f, d))[c("user.self", "sys.self")])
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))),
                 "sharpen.R"))
fit <- lmer(f, d, start = getME(fit, "theta"),
            control = lmerControl("sharpen", calc.derivs = FALSE))
v <- as.data.frame(VarCorr(fit))
effects <- ranef(fit, condVar = FALSE)$school
write_json(list(
  versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4"))),
  coefficients = unname(fixef(fit)),
  standard_errors = unname(sqrt(diag(as.matrix(vcov(fit))))),
  variances = setNames(as.list(v$vcov), v$grp),
  effects = effects[order(as.integer(rownames(effects))), 1]),
  given[3], digits = 15, auto_unbox = TRUE)
cat(seconds, "\n", sep = "")

# Reference figures of lme4 for tests/evaluation/test_multilevel_lme4.py and test_crossed.py:
#   cd tests/evaluation/data && Rscript multilevel.R
# writes the data (multilevel_<set>.csv.gz) and the figures (multilevel.json.gz). The optimum of each
# fit is lme4's own (BOBYQA, tightened and polished); the ends of the profile intervals are roots of lme4's own
# deviance (its ldL2, ldRX2 and penalised residual sum of squares) with the nuisance parameters
# minimised out, because confint() interpolates, and knows maximum likelihood only.
suppressMessages({library(lme4); library(mlmRev); library(jsonlite)})

tight <- lmerControl(optimizer = "polish", optCtrl = list(rhoend = 1e-11, maxfun = 1e5),
                     calc.derivs = FALSE, check.conv.singular = "ignore")
number <- function(f) as.integer(factor(f, levels = unique(f)))

exam <- with(Exam, data.frame(group = number(school), y = normexam, lrt = standLRT,
                              female = as.integer(sex == "F"), average = schavg,
                              weight = 1 + as.integer(student) %% 3))
third <- subset(star, gr == "3" & !is.na(math) & !is.na(ses) & !is.na(sx) & !is.na(tch))
grade3 <- with(third, data.frame(group = number(paste(sch, tch)), upper = number(sch), y = math,
                                 small = as.integer(cltype == "small"),
                                 aide = as.integer(cltype == "reg+A"),
                                 lunch = as.integer(ses == "F"), girl = as.integer(sx == "F")))
chem <- with(subset(Chem97, as.integer(lea) <= 40),
             data.frame(group = number(school), upper = number(lea), y = score,
                        gcse = gcsecnt, girl = as.integer(gender == "F"), age = age))
growth <- with(egsingle, data.frame(group = number(childid), upper = number(schoolid), y = math,
                                    year = year, low_income = lowinc,
                                    black = as.integer(black == "1")))
hsb <- with(subset(Hsb82, as.integer(school) <= 90), data.frame(group = number(school), y = mAch, ses = cses, mean_ses = meanses,
                              catholic = as.integer(sector == "Catholic")))
pastes <- with(Pastes, data.frame(group = number(sample), upper = number(batch), y = strength))
dyestuff2 <- with(Dyestuff2, data.frame(group = number(Batch), y = Yield))
sleep <- with(sleepstudy, data.frame(group = number(Subject), second = number(Days), y = Reaction,
                                     days = Days))
scots <- with(ScotsSec, data.frame(group = number(primary), second = number(second), y = attain,
                                   verbal = verbal, girl = as.integer(sex == "F"),
                                   social = social))
penicillin <- with(Penicillin, data.frame(group = number(plate), second = number(sample),
                                          y = diameter))
inst <- with(subset(InstEval, as.integer(s) <= 400),
             data.frame(group = number(s), second = number(d), y = y,
                        service = as.integer(service == "1"),
                        age = 2 * as.integer(studage)))
sets <- list(exam = exam, star = grade3, chem = chem, growth = growth, hsb = hsb,
             pastes = pastes, dyestuff2 = dyestuff2, sleep = sleep, scots = scots,
             penicillin = penicillin, insteval = inst)
for (name in names(sets)) {
  out <- gzfile(paste0("multilevel_", name, ".csv.gz"), "w", compression = 9)
  write.csv(sets[[name]], out, row.names = FALSE, quote = FALSE)
  close(out)
}

# What the CSV says is what is fitted: 15 digits are not all that a double holds.
read <- function(name) read.csv(gzfile(paste0("multilevel_", name, ".csv.gz")))

ends <- function(fit) {
  pp <- fit@pp$copy(); resp <- fit@resp$copy()
  n <- nrow(pp$V); reml <- isREML(fit)
  df <- if (reml) n - ncol(pp$X) else n
  constant <- sum(log(fit@resp$weights))
  # -2 log-likelihood at a residual variance and ratios of standard deviations
  deviance <- function(s2, theta) {
    # Far from the data the factorisation may fail, and spoil what follows: no place for a minimum.
    if (!all(is.finite(theta)) || max(theta) > 100 || s2 <= 0) return(1e10)
    .Call("lmer_Deviance", pp$ptr(), resp$ptr(), theta, PACKAGE = "lme4")
    value <- pp$ldL2() - constant + (if (reml) pp$ldRX2() else 0) +
      (resp$wrss() + pp$sqrL(1)) / s2 + df * log(2 * pi * s2)
    if (is.finite(value)) value else 1e10
  }
  theta <- getME(fit, "theta"); s <- sigma(fit); best <- deviance(s^2, theta)
  sds <- c(theta * s, s); k <- length(sds); cut <- qchisq(0.95, 1)
  profile <- function(which, sd) {
    given <- function(free) {
      all <- numeric(k); all[which] <- sd; all[-which] <- abs(free)
      deviance(all[k]^2, all[-k] / all[k])
    }
    f <- function(z) given(exp(z))
    if (k == 2) {
      low <- optimize(f, log(s) + c(-4, 4), tol = 1e-10)$objective
      return(if (which == k) min(low, given(0)) else low)
    }
    least <- Inf
    start <- log(pmax(sds[-which], 0.05 * s))
    for (round in 1:2) {
      m <- optim(start, f, control = list(reltol = 1e-14, maxit = 2000))
      start <- m$par; least <- min(least, m$value)
    }
    least
  }
  t(sapply(seq_len(k), function(which) {
    over <- function(sd) profile(which, sd) - best - cut
    sd <- max(sds[which], 1e-3 * s)
    least <- if (which == k) 0.3 * s else 1e-7 * s
    low <- if (over(least) <= 0) 0 else uniroot(over, c(least, sd), tol = 1e-9 * s)$root
    top <- 2 * sd; while (over(top) < 0) top <- 2 * top
    c(low, uniroot(over, c(sd, top), tol = 1e-9 * s)$root)^2
  }))
}

source("../../../bench/peers/sharpen.R")
polish <- function(fn, par, lower, upper, control)
  sharpen(fn, minqa::bobyqa(par, fn, lower, upper, control)$par, lower, upper, control)

figures <- function(set, terms, random, reml, weighted = FALSE, slow = FALSE) {
  d <- read(set)
  d$w <- if (weighted) d$weight else rep(1, nrow(d))
  f <- as.formula(paste("y ~", paste(c("1", terms), collapse = " + "), "+", random))
  fit <- lmer(f, d, REML = reml, weights = w, control = tight)
  v <- as.data.frame(VarCorr(fit))
  effects <- ranef(fit, condVar = TRUE)
  one <- function(e) {
    by_code <- order(as.integer(sub(":.*", "", rownames(e))))
    list(effect = signif(e[[1]][by_code], 9),
         variance = signif(as.vector(attr(e, "postVar"))[by_code], 9))
  }
  names(effects) <- sub(":.*", "", names(effects))
  list(set = set, terms = I(as.character(terms)), random = random,
       method = if (reml) "reml" else "ml", weighted = weighted,
       coefficients = I(unname(fixef(fit))), covariance = unname(as.matrix(vcov(fit))),
       variances = setNames(as.list(v$vcov), sub(":.*", "", v$grp)),
       intervals = if (length(effects) == 1 || !slow) ends(fit), log_likelihood = as.numeric(logLik(fit)),
       component_order = I(sub(":.*", "", v$grp)), effects = lapply(effects, one))
}

two <- "(1 | group)"; three <- "(1 | group) + (1 | upper)"; cross <- "(1 | group) + (1 | second)"
cases <- list(
  list("exam", "lrt", two), list("exam", c("lrt", "female", "average"), two),
  list("exam", c("lrt", "female"), two, TRUE),
  list("star", c("small", "aide", "lunch", "girl"), two),
  list("star", c("small", "aide", "lunch", "girl"), three),
  list("chem", c("gcse", "girl", "age"), two), list("chem", c("gcse", "girl", "age"), three),
  list("growth", c("year", "low_income", "black"), three),
  list("hsb", c("ses", "mean_ses", "catholic"), two),
  list("pastes", character(), two), list("pastes", character(), three),
  list("dyestuff2", character(), two), list("sleep", "days", two),
  list("sleep", "days", cross), list("penicillin", character(), cross),
  list("scots", c("verbal", "girl", "social"), cross),
  list("insteval", c("service", "age"), cross))
fits <- list()
for (case in cases) for (reml in c(TRUE, FALSE)) {
  weighted <- length(case) > 3
  fits[[length(fits) + 1]] <- figures(case[[1]], case[[2]], case[[3]], reml, weighted,
                                      slow = case[[1]] %in% c("chem", "growth", "scots", "insteval"))
  cat(case[[1]], case[[3]], reml, "\n")
}
out <- gzfile("multilevel.json.gz", "w", compression = 9)
writeLines(toJSON(list(versions = list(R = as.character(getRversion()),
                                       lme4 = as.character(packageVersion("lme4")),
                                       mlmRev = as.character(packageVersion("mlmRev"))),
                       fits = fits), digits = 15, auto_unbox = TRUE, null = "null"),
           out)
close(out)

#!/usr/bin/env python3
"""A small table of scikit-learn's with five folds as CSV, and what the peers reach on each fold with their defaults.

small_tables.py NAME FILE writes the table with the column "fold"; prints "peer,value" for each peer and fold: accuracy, or
the root mean squared error of diabetes.
"""
import sys
import warnings

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

warnings.filterwarnings("ignore")
TABLES = {
    "cancer": (datasets.load_breast_cancer, "benign"),
    "wine": (datasets.load_wine, "class"),
    "digits": (datasets.load_digits, "digit"),
    "diabetes": (datasets.load_diabetes, "progression"),
}


def peers(regression):
    if regression:
        network = TransformedTargetRegressor(MLPRegressor(early_stopping=True, random_state=0), transformer=StandardScaler())
        trees = HistGradientBoostingRegressor(random_state=0), LGBMRegressor(verbose=-1), XGBRegressor()
    else:
        network = MLPClassifier(early_stopping=True, random_state=0)
        trees = HistGradientBoostingClassifier(random_state=0), LGBMClassifier(verbose=-1), XGBClassifier()
    names = "HistGradientBoosting", "LightGBM", "XGBoost", "scikit-learn MLP"
    return zip(names, (*trees, make_pipeline(StandardScaler(), network)))


def main():
    name, path = sys.argv[1:]
    load, target = TABLES[name]
    data = load()
    x, y = data.data, data.target
    regression = name == "diabetes"
    splitter = (KFold if regression else StratifiedKFold)(5, shuffle=True, random_state=0)
    fold = np.zeros(len(y), int)
    for i, (_, test) in enumerate(splitter.split(x, y)):
        fold[test] = i + 1
    table = pd.DataFrame(x, columns=[f"c{i + 1}" for i in range(x.shape[1])])
    table[target] = y if regression else [f"k{v}" for v in y]
    table["fold"] = fold
    table.to_csv(path, index=False)
    for peer, model in peers(regression):
        for i in range(1, 6):
            model.fit(x[fold != i], y[fold != i])
            p = model.predict(x[fold == i])
            value = np.sqrt(((p - y[fold == i]) ** 2).mean()) if regression else (p == y[fold == i]).mean()
            print(f"{peer},{value:.6g}")


main()

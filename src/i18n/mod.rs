//! Languages: texts, numbers, money, dates.

i18n-today = today
i18n-tomorrow = tomorrow
i18n-yesterday = yesterday
i18n-in-days = in { $days ->
    [one] { $days } day
   *[other] { $days } days
}
i18n-days-ago = { $days ->
    [one] { $days } day ago
   *[other] { $days } days ago
}

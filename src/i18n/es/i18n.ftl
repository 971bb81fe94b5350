i18n-today = hoy
i18n-tomorrow = mañana
i18n-yesterday = ayer
i18n-in-days = dentro de { $days ->
    [one] { $days } día
   *[other] { $days } días
}
i18n-days-ago = hace { $days ->
    [one] { $days } día
   *[other] { $days } días
}

usage-title = Uso
usage-period = Del { $from } al { $to }
usage-export = Descargar CSV
usage-free = Tiene el plan gratuito. Un plan de pago incluye más de todo.
usage-see-plans = Ver los planes
usage-nothing = Todavía no se ha usado nada en este periodo. Lo que su aplicación comunique aparece aquí en segundos.
usage-of = de { $limit }
usage-unlimited = Ilimitado
usage-billed = se factura después de usarlo
usage-not-included = No incluido en su plan
usage-rate = como máximo; su aplicación lo respeta
usage-percent = { $percent } usado
usage-over = Por encima del límite
usage-reached = Límite alcanzado
usage-near = Casi agotado
usage-beyond = Por encima del límite
usage-left = Queda
usage-resets = Vuelve a empezar el
usage-price = Precio
usage-price-per = { $price } por { $units }
usage-price-steps = Por tramos
usage-step-to = De { $first } a { $last }
usage-step-from = Desde { $first }
usage-step = { $units }: { $price } cada uno
usage-step-flat = { $units }: { $price } cada uno y { $flat } una vez
usage-cost = Coste hasta ahora
usage-cost-beyond = Coste fuera del plan
usage-cost-expected = Coste previsto
usage-range = { $expected } (de { $low } a { $high })
usage-outlook = A este ritmo, unos { $expected } hasta el { $end }, probablemente entre { $low } y { $high }.
usage-outlook-exact = A este ritmo, { $expected } hasta el { $end }.
usage-outlook-stops = El límite se alcanzará alrededor del { $day }; lo que pase de él se rechazará.
usage-outlook-passes = El límite se superará alrededor del { $day }.
usage-no-forecast = Un nivel se mantiene hasta que su aplicación comunica otro: no hay nada que prever.
usage-days = Día a día
usage-chart-nothing = En este periodo no se usó nada.
usage-chart-sum = Del { $from } al { $to }: { $total } en total; el máximo, { $most }, el { $day }.
usage-chart-level = Del { $from } al { $to }: el nivel más alto fue { $most }, el { $day }.
usage-legend-used = Usado
usage-legend-expected = Previsto
usage-table = Mostrar como tabla
usage-table-caption = Uso por día, lo más reciente primero
usage-day = Día
usage-level = Nivel
usage-utc = Los días empiezan a medianoche UTC, como en sus facturas.
usage-now = Este periodo
usage-periods = Por periodo
usage-periods-caption = Uso por periodo, lo más reciente primero
usage-no-periods = Todavía no hay historial.
usage-period-column = Periodo
usage-highest = Nivel más alto
usage-to-current = Volver al periodo actual

usage-staff-title = Uso y contadores
usage-staff-about = Lo que se factura por uso se comunica a los contadores de Stripe. Aquí está lo que no llegó.
usage-parked = Sin comunicar
usage-parked-none = Todo lo usado se ha comunicado o está en camino.
usage-parked-about = Se intentó bastantes veces o se rechazó definitivamente. Cuando desaparezca la causa, inténtelo otra vez. Stripe cuenta una sola vez lo que ya hubiera llegado durante un día; después, miramos antes si lo tiene.
usage-tenant = Empresa
usage-metric = Métrica
usage-hour = Hora
usage-missing = Falta
usage-why = Motivo
usage-tries = { $tries ->
    [one] { $tries } intento
   *[other] { $tries } intentos
}
usage-retry = Intentar otra vez
usage-retried = Se intentará otra vez enseguida.
usage-retry-arrived = Stripe ya lo tenía: queda anotado como comunicado.
usage-retry-title = ¿Comunicarlo de todos modos?
usage-retry-why = Este envío se hizo por primera vez hace más de 23 horas y su respuesta se perdió. Stripe ya no notaría que llega por segunda vez, y lo que Stripe tiene de esa hora no encaja en ninguno de los dos casos.
usage-retry-part = Por comunicar
usage-retry-before = Comunicado antes
usage-retry-unknown = no se ha podido consultar
usage-retry-twice = Si Stripe ya lo tiene, se cobraría dos veces. Consulte el medidor en el panel de Stripe antes de decidir.
usage-retry-anyway = Comunicarlo
usage-retry-back = Volver
usage-compared = Comparación con Stripe
usage-compared-none = { $count ->
    [0] En los últimos dos días no se comparó nada.
    [one] En { $count } comparación de los últimos dos días ambos lados coinciden.
   *[other] En { $count } comparaciones de los últimos dos días ambos lados coinciden.
}
usage-ours = Nuestro
usage-theirs = De Stripe
usage-compared-at = Comparado
usage-reports = Avisos de error de Stripe
usage-reports-none = Stripe no ha avisado de ningún error.
usage-report-errors = Los medidores de Stripe no han aceptado parte del uso.
usage-report-no-meter = Parte del uso nombra un medidor que no existe en Stripe.
usage-report-asked = Todavía se están consultando los detalles.
usage-errors = { $count ->
    [one] { $count } comunicación no se pudo contar
   *[other] { $count } comunicaciones no se pudieron contar
}

usage-no-metric = Esa métrica no existe.
usage-not-counted = Esta métrica es un ritmo: no se cuenta aquí.
usage-wrong-quantity = Esta métrica es un contador: indica una cantidad (quantity) de 1 a 9007199254740991, sin valor.
usage-wrong-value = Esta métrica es un nivel: indica un valor (value) de 0 a 9007199254740991, sin cantidad.
usage-wrong-key = La clave debe tener de 1 a 100 caracteres, ninguno de control.
usage-too-old = No debe tener más de 35 días.
usage-ahead = No debe adelantarse más de 5 minutos.
usage-too-long = Pide como máximo { $most } días de una vez.

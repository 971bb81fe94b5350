checkout-no-such-plan = Ese plan no existe.
checkout-no-such-interval = Elige facturación mensual o anual.
checkout-no-such-price = Este plan no se vende con esa frecuencia y moneda. Elige otra.
checkout-no-such-currency = Esa moneda no existe.
checkout-currency-locked = Tu cuenta se factura en { $currency }: Stripe conserva la moneda del primer pago.
checkout-quantity = El número de puestos debe ser un entero de 1 a { $most }.
checkout-not-per-seat = Este plan no se vende por puestos: su cantidad es 1.
checkout-already-subscribed = Ya tienes una suscripción. Para cambiarla, empieza desde tu plan: otra más se cobraría aparte.
checkout-to-plan = Ir a tu plan
checkout-to-plans = Volver a los planes
checkout-busy = Otra persona de tu empresa inició un pago en el mismo momento. Inténtalo de nuevo en unos segundos.
checkout-cancelled = Has salido de la página de pago. No se ha cobrado nada y nada ha cambiado.
checkout-still-open = Tu página de pago sigue abierta. Todavía no se ha cobrado nada.
checkout-expired = Tu página de pago ha caducado. No se ha cobrado nada; elige un plan para empezar de nuevo.
checkout-welcome = ¡Gracias! Tu suscripción está en vigor.
checkout-waiting-title = Confirmando tu pago
checkout-waiting-text = Stripe ha recibido tus datos y está confirmando el pago. Esta página vuelve a mirar sola cada pocos segundos.
checkout-waiting-long = Está tardando más de lo normal. Puedes salir de esta página: tu plan aparecerá en cuanto Stripe lo confirme, y no se te cobrará dos veces.
checkout-waiting-again = Mirar otra vez
checkout-waiting-reference = Referencia para soporte: { $reference }
checkout-trial-used = Tu empresa ya ha tenido su prueba.
checkout-trial-long = Este plan es gratis como máximo { $most ->
    [one] un día
   *[other] { $most } días
  } al principio.
checkout-no-such-discount = Este código no existe o ya no se puede usar.

//! Coupons and the codes that customers type for them.

use stripe_product::coupon::{CreateCoupon, RetrieveCoupon};
use stripe_product::promotion_code::{
    CreatePromotionCode, CreatePromotionCodePromotion, CreatePromotionCodePromotionType, ListPromotionCode,
};

use super::{get, post};
use crate::stripe::snapshot::{Coupon, List, PromotionCode};
use crate::stripe::{Budget, CouponId, Error, Fetched, Key, Result, Stripe};

/// What a word that a customer typed gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discount {
    /// A promotion code of that word.
    PromotionCode(PromotionCode),
    /// A coupon whose id is the word.
    Coupon(Coupon),
}

/// A coupon; none where there is none of that id.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn coupon(stripe: &Stripe, id: &CouponId, budget: Budget) -> Result<Option<Fetched<Coupon>>> {
    match get(stripe, RetrieveCoupon::new(id.as_str()), budget).await {
        Ok(coupon) => Ok(Some(coupon)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The promotion code of that word that can be used now, with its coupon.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn promotion_code(stripe: &Stripe, code: &str, budget: Budget) -> Result<Option<PromotionCode>> {
    let request = ListPromotionCode::new()
        .code(code)
        .active(true)
        .limit(1)
        .expand(vec!["data.promotion.coupon".to_owned()]);
    let found: Fetched<List<PromotionCode>> = get(stripe, request, budget).await?;
    Ok(found.value.data.into_iter().next())
}

/// What a word gives: a promotion code first, then a coupon of that name that is still valid.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn discount(stripe: &Stripe, word: &str, budget: Budget) -> Result<Option<Discount>> {
    if let Some(code) = promotion_code(stripe, word, budget).await? {
        return Ok(Some(Discount::PromotionCode(code)));
    }
    let Ok(id) = word.parse() else { return Ok(None) };
    let coupon = coupon(stripe, &id, budget).await?;
    Ok(coupon.map(|coupon| coupon.value).filter(|coupon| coupon.valid).map(Discount::Coupon))
}

/// Makes a coupon. `duration` is `once` or `forever`.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create(
    stripe: &Stripe,
    id: &CouponId,
    percent_off: u8,
    duration: &str,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<Coupon>> {
    let duration = match duration.parse::<stripe_shared::CouponDuration>() {
        Ok(duration) => duration,
        Err(never) => match never {},
    };
    let request =
        CreateCoupon::new().id(id.as_str()).name(id.as_str()).percent_off(percent_off).duration(duration);
    post(stripe, request, key, budget).await
}

/// Makes the code that customers type for a coupon: the coupon's own word.
///
/// # Errors
/// See [`crate::stripe::Error`].
pub async fn create_promotion_code(
    stripe: &Stripe,
    coupon: &CouponId,
    key: &Key,
    budget: Budget,
) -> Result<Fetched<PromotionCode>> {
    let promotion = CreatePromotionCodePromotion {
        coupon: Some(coupon.to_string()),
        type_: CreatePromotionCodePromotionType::Coupon,
    };
    post(stripe, CreatePromotionCode::new(promotion).code(coupon.as_str()), key, budget).await
}

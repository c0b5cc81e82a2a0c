// Who sent a webhook: the secret that its signature was made with. Signatures are compared in constant time,
// with all secrets of the source, so that neither their bytes nor their order shows in how long it takes.
//
//   Shopify    X-Shopify-Hmac-Sha256: base64 of HMAC-SHA256 over the body as it came
//   Klaviyo    Klaviyo-Signature: hex of HMAC-SHA256 over body and Klaviyo-Timestamp
//   standard   webhook-signature: "v1,<base64>", several, over "<webhook-id>.<webhook-timestamp>.<body>";
//              the secret is whsec_<base64>. Older or newer than limits::webhook_age_max_s: not taken
//   GA4        no signature: the secret itself, as api_secret in the address
//
// Pure, but for the clock of the caller.
#pragma once

#include "config/webhook_source.h"
#include "http/server.h"

namespace tidemark::ingest {

// Null: nobody of ours. `reason` is then one word for counters: no_signature, bad_signature, too_old.
const config::WriteKey* find_signer(const config::WebhookSource& source, const http::Request& request,
                                    int64_t now_micros, std::string_view& reason);

// Headers of Shopify, which come with X- and, in newer deliveries, without.
std::string_view shopify_header(const http::Request& request, std::string_view name);

}  // namespace tidemark::ingest

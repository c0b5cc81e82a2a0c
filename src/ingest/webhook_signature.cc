#include "ingest/webhook_signature.h"

#include "ingest/spool_limits.h"
#include "kafka/encoded_text.h"

#include <charconv>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace tidemark::ingest {
namespace {

using config::WebhookSender;

constexpr std::string_view standard_prefix = "whsec_";
constexpr int64_t micros_a_second = 1'000'000;

std::string hmac_sha256(std::string_view key, std::initializer_list<std::string_view> pieces) {
  std::string content;
  for (std::string_view piece : pieces) content += piece;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest, &size);
  return {reinterpret_cast<const char*>(digest), size};
}

bool same_text(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

std::string in_base64(std::string_view bytes) {
  std::string text;
  kafka::encode_base64(bytes, false, text);
  return text;
}

std::string standard_key(std::string_view secret) {
  if (!secret.starts_with(standard_prefix)) return std::string(secret);
  std::string key;
  return kafka::decode_base64(secret.substr(standard_prefix.size()), key) == nullptr ? key : std::string();
}

std::string_view signature_of(WebhookSender from, const http::Request& request) {
  switch (from) {
    case WebhookSender::shopify:
      return shopify_header(request, "hmac-sha256");
    case WebhookSender::klaviyo:
      return request.header("klaviyo-signature");
    case WebhookSender::standard:
      return request.header("webhook-signature");
    case WebhookSender::ga4:
      return {};
  }
  return {};
}

bool is_recent(std::string_view seconds, int64_t now_micros) {
  int64_t at = 0;
  auto [end, error] = std::from_chars(seconds.data(), seconds.data() + seconds.size(), at);
  if (error != std::errc() || end != seconds.data() + seconds.size()) return false;
  int64_t now = now_micros / micros_a_second;
  return at >= now - limits::webhook_age_max_s && at <= now + limits::webhook_age_max_s;
}

bool is_signed_with(std::string_view secret, WebhookSender from, std::string_view signature,
                    const http::Request& request) {
  switch (from) {
    case WebhookSender::shopify:
      return same_text(in_base64(hmac_sha256(secret, {request.body})), signature);
    case WebhookSender::klaviyo: {
      std::string wanted;
      kafka::encode_hex(hmac_sha256(secret, {request.body, request.header("klaviyo-timestamp")}), wanted);
      return same_text(wanted, signature);
    }
    case WebhookSender::standard: {
      std::string key = standard_key(secret);
      if (key.empty()) return false;
      std::string wanted =
          "v1," + in_base64(hmac_sha256(key, {request.header("webhook-id"), ".",
                                              request.header("webhook-timestamp"), ".", request.body}));
      bool found = false;
      while (!signature.empty()) {
        size_t end = signature.find(' ');
        found |= same_text(signature.substr(0, end), wanted);
        signature.remove_prefix(end == std::string_view::npos ? signature.size() : end + 1);
      }
      return found;
    }
    case WebhookSender::ga4:
      return same_text(secret, signature);
  }
  return false;
}

}  // namespace

std::string_view shopify_header(const http::Request& request, std::string_view name) {
  std::string_view value = request.header(fmt::format("x-shopify-{}", name));
  return value.empty() ? request.header(fmt::format("shopify-{}", name)) : value;
}

const config::WriteKey* find_signer(const config::WebhookSource& source, const http::Request& request,
                                    int64_t now_micros, std::string_view& reason) {
  std::string of_address;
  std::string_view signature = signature_of(source.from, request);
  if (source.from == WebhookSender::ga4) {
    of_address = request.query_value("api_secret").value_or("");
    signature = of_address;
  }
  if (signature.empty()) {
    reason = "no_signature";
    return nullptr;
  }
  const config::WriteKey* found = nullptr;
  for (const auto& key : source.events.write_keys) {
    const std::string& secret = key.key.reveal();
    if (!secret.empty() && is_signed_with(secret, source.from, signature, request)) found = &key;
  }
  if (found == nullptr) {
    reason = "bad_signature";
  } else if (source.from == WebhookSender::standard &&
             !is_recent(request.header("webhook-timestamp"), now_micros)) {
    reason = "too_old";
    found = nullptr;
  }
  return found;
}

}  // namespace tidemark::ingest

#include "ingest/google_token.h"

#include "http/url.h"
#include "ingest/pull_limits.h"

#include <boost/json.hpp>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

constexpr const char* scope = "https://www.googleapis.com/auth/analytics.readonly";
constexpr int64_t assertion_s = 3600;

// Base64 with the letters of addresses and nothing at the end.
std::string base64url(std::string_view bytes) {
  std::string text(4 * (bytes.size() / 3 + 1) + 1, '\0');
  int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  while (text.ends_with('=')) text.pop_back();
  for (char& letter : text) letter = letter == '+' ? '-' : letter == '/' ? '_' : letter;
  return text;
}

std::string text_of(const json::value& value, const char* name) {
  const auto* object = value.if_object();
  const auto* found = object == nullptr ? nullptr : object->if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : "";
}

}  // namespace

Result<std::string> signed_assertion(std::string_view claims, const std::string& private_key) {
  std::string text = base64url(R"({"alg":"RS256","typ":"JWT"})") + "." + base64url(claims);
  std::unique_ptr<BIO, int (*)(BIO*)> bytes(
      BIO_new_mem_buf(private_key.data(), static_cast<int>(private_key.size())), BIO_free);
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      PEM_read_bio_PrivateKey(bytes.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  size_t length = 0;
  std::string signature;
  auto data = reinterpret_cast<const unsigned char*>(text.data());
  bool made = key && EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &length, data, text.size()) == 1;
  if (made) {
    signature.resize(length);
    made = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length, data,
                          text.size()) == 1;
  }
  if (!made)
    return fail(ErrorKind::refused, "the private_key of the service account cannot sign",
                "give the whole JSON file that Google made for the account as `token`");
  signature.resize(length);
  return text + "." + base64url(signature);
}

bool GoogleToken::forget() {
  bool made = desk_.settings().token.reveal().starts_with('{') && !token_.empty();
  token_.clear();
  return made;
}

Result<std::string> GoogleToken::get() {
  const std::string& given = desk_.settings().token.reveal();
  if (!given.starts_with('{')) return given;
  const int64_t now = desk_.clock().wall_micros();
  if (!token_.empty() && now < good_until_) return token_;
  json::error_code bad;
  json::value account = json::parse(given, bad);
  std::string email = text_of(account, "client_email"), where = text_of(account, "token_uri");
  if (bad || email.empty() || http::origin_of(where).empty())
    return fail(ErrorKind::refused,
                "`token` is no key of a service account: client_email or token_uri is missing",
                "give the whole JSON file that Google made for the account");
  if (where.starts_with("http://") && !desk_.settings().url.starts_with("http://"))
    return fail(ErrorKind::refused, "the account's token_uri is not https",
                "give the file as Google made it");
  std::string claims = json::serialize(json::object{{"iss", email},
                                                    {"scope", scope},
                                                    {"aud", where},
                                                    {"iat", now / 1'000'000},
                                                    {"exp", now / 1'000'000 + assertion_s}});
  std::string assertion = TRY(signed_assertion(claims, text_of(account, "private_key")));
  auto answer = TRY(
      desk_.ask({.url = where,
                 .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                 .body = "grant_type=" + http::percent_encode("urn:ietf:params:oauth:grant-type:jwt-bearer") +
                         "&assertion=" + assertion}));
  json::value body = json::parse(answer.body, bad);
  std::string token = bad ? "" : text_of(body, "access_token");
  if (answer.status != 200 || token.empty())
    return fail(ErrorKind::refused,
                fmt::format("{} answers {} to the service account {}: {}", where, answer.status, email,
                            bad ? "" : desk_.excerpt(text_of(body, "error_description"))),
                "is the account's key still valid, and this machine's clock right?");
  token_ = std::move(token);
  good_until_ = now + limits::google_token_us;
  return token_;
}

}  // namespace tidemark::ingest

#include "notify/standard_webhook.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace tidemark::notify {
namespace {

// The standard's own bounds of a symmetric secret.
constexpr size_t key_bytes_min = 24;
constexpr size_t key_bytes_max = 64;

std::string base64(const unsigned char* bytes, size_t size) {
  std::string text(4 * ((size + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  return text;
}

}  // namespace

Result<Secret> webhook_key(std::string_view secret) {
  const char* remedy = "make one: echo whsec_$(openssl rand -base64 32)";
  if (secret.starts_with("whsec_")) secret.remove_prefix(6);
  std::string padded(secret);
  while (padded.size() % 4 != 0) padded.push_back('=');
  size_t padding = padded.size() - std::min(padded.find('='), padded.size());
  std::vector<unsigned char> key(padded.size() / 4 * 3);
  int size = padded.empty() || padding > 2
                 ? -1
                 : EVP_DecodeBlock(key.data(), reinterpret_cast<const unsigned char*>(padded.data()),
                                   static_cast<int>(padded.size()));
  if (size < 0) return fail(ErrorKind::config, "the secret is not whsec_ and base64 behind it", remedy);
  key.resize(static_cast<size_t>(size) - padding);
  if (key.size() < key_bytes_min || key.size() > key_bytes_max)
    return fail(ErrorKind::config,
                fmt::format("the secret has {} bytes; Standard Webhooks asks for {} to {}", key.size(),
                            key_bytes_min, key_bytes_max),
                remedy);
  return Secret(std::string(key.begin(), key.end()));
}

std::string webhook_signature(const std::vector<Secret>& keys, std::string_view id, int64_t timestamp_s,
                              std::string_view body) {
  std::string content = fmt::format("{}.{}.", id, timestamp_s);
  content += body;
  std::string signatures;
  for (const auto& key : keys) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), key.reveal().data(), static_cast<int>(key.reveal().size()),
         reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest, &size);
    if (!signatures.empty()) signatures.push_back(' ');
    signatures += "v1," + base64(digest, size);
  }
  return signatures;
}

}  // namespace tidemark::notify

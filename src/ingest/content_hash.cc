#include "ingest/content_hash.h"

#include "kafka/encoded_text.h"

#include <fmt/format.h>
#include <openssl/evp.h>

namespace tidemark::ingest {

std::string content_hash(std::string_view bytes) {
  constexpr size_t kept = 16;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr);
  std::string text;
  kafka::encode_hex({reinterpret_cast<const char*>(digest), kept}, text);
  return text;
}

std::string content_hash_of(std::initializer_list<std::string_view> fields) {
  std::string text;
  for (std::string_view field : fields) text += fmt::format("{}:{}", field.size(), field);
  return content_hash(text);
}

}  // namespace tidemark::ingest

#include "ingest/content_hash.h"

#include "kafka/encoded_text.h"

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

}  // namespace tidemark::ingest

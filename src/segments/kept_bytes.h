// Numbers in as few bytes as they need, for what is kept of many entities: seven bits a byte, and numbers
// that may be negative folded so that small ones stay short. Reading past the end gives zeros.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tidemark::segments {

inline void put_number(std::string& out, uint64_t number) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}
inline void put_signed(std::string& out, int64_t number) {
  put_number(out, (static_cast<uint64_t>(number) << 1) ^ static_cast<uint64_t>(number >> 63));
}
inline void put_text(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out.append(text);
}

class KeptReader {
 public:
  explicit KeptReader(std::string_view bytes) : left_(bytes) {}

  bool done() const { return left_.empty(); }
  uint64_t number() {
    uint64_t value = 0;
    for (int shift = 0; !left_.empty() && shift < 64; shift += 7) {
      auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  int64_t signed_number() {
    uint64_t folded = number();
    return static_cast<int64_t>(folded >> 1) ^ -static_cast<int64_t>(folded & 1);
  }
  std::string_view text() {
    size_t size = number();
    std::string_view text = left_.substr(0, size);
    left_.remove_prefix(text.size());
    return text;
  }

 private:
  std::string_view left_;
};

}  // namespace tidemark::segments

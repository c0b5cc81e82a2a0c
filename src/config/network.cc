#include "config/network.h"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <fmt/format.h>

namespace tidemark::config {

Address ipv4_address(const uint8_t* four_bytes) {
  Address address{};
  address[10] = address[11] = 0xff;
  std::memcpy(address.data() + 12, four_bytes, 4);
  return address;
}

bool Network::contains(const Address& other) const {
  const auto whole = static_cast<size_t>(bits / 8);
  if (std::memcmp(address.data(), other.data(), whole) != 0) return false;
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (address[whole] & mask) == (other[whole] & mask);
}

Result<Network> parse_network(std::string_view text) {
  auto wrong = [&] {
    return fail(ErrorKind::config, fmt::format("`{}` is no network", text),
                "Write an address and the bits that count: 10.1.0.0/16 or fd00::/8.");
  };
  size_t slash = text.find('/');
  std::string address(text.substr(0, slash));
  Network network;
  uint8_t four[4];
  int bits_max = 128;
  if (inet_pton(AF_INET, address.c_str(), four) == 1) {
    network.address = ipv4_address(four);
    bits_max = 32;
  } else if (inet_pton(AF_INET6, address.c_str(), network.address.data()) != 1) {
    return wrong();
  }
  int bits = bits_max;
  if (slash != std::string_view::npos) {
    std::string_view digits = text.substr(slash + 1);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits < 0 || bits > bits_max)
      return wrong();
  }
  network.bits = bits_max == 32 ? bits + 96 : bits;
  return network;
}

}  // namespace tidemark::config

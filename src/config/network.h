// Networks as a project writes them: "10.0.0.0/8", "fd00::/8", "192.0.2.1". Values without I/O.
#pragma once

#include "base/error.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace tidemark::config {

// An IPv4 address is kept as ::ffff:a.b.c.d, so that there is one kind.
using Address = std::array<uint8_t, 16>;

Address ipv4_address(const uint8_t* four_bytes);

struct Network {
  Address address{};
  int bits = 0;  // of 128
  bool contains(const Address& other) const;
};

// Errors: config.
Result<Network> parse_network(std::string_view text);

}  // namespace tidemark::config

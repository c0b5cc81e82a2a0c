// A message as the client hands it out: views into its memory, valid until the next poll.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::kafka {

struct Message {
  std::string_view topic;
  int32_t partition = 0;
  int64_t offset = 0;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // nothing: a tombstone
  int64_t timestamp_ms = 0;               // 0: none
  std::vector<std::pair<std::string_view, std::string_view>> headers;

  std::optional<std::string_view> header(std::string_view name) const {
    for (const auto& [key_, value_] : headers)
      if (key_ == name) return value_;
    return std::nullopt;
  }
};

// A partition and the place in it: the offset of the next message.
struct Position {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;

  bool operator==(const Position&) const = default;
};

}  // namespace tidemark::kafka

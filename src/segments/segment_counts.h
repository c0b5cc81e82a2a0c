// What status and metrics say of a segment.
#pragma once

#include <cstdint>
#include <string>

namespace tidemark::segments {

struct SegmentCounts {
  std::string segment, entity;
  uint64_t members = 0;
  uint64_t entered = 0, exited = 0;  // since the start
};

}  // namespace tidemark::segments

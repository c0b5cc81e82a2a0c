// A membership that is about to change: what an evaluation found, before it is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tidemark::segments {

struct Flip {
  size_t segment = 0;  // of the group
  std::string entity;
  bool entered = false, there = false;  // there: it is an entity now
  uint64_t previous = 0;                // seq of the change before; 0: none
  int64_t at = 0;                       // microseconds
  uint64_t told = 0;      // an exit with a dwell: the seq under which its entry was told; 0: nobody was
  bool absorbed = false;  // not there, because another entity has become of it
};

}  // namespace tidemark::segments

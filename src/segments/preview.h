// What a definition would mean, before anything is changed: how many entities are members at an instant, some
// of them, and against the definition it replaces who would enter and who would leave. One query, as of one
// instant.
#pragma once

#include "segments/compile.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::segments {

struct Preview {
  uint64_t entities = 0;
  uint64_t members = 0;
  std::vector<std::string> sample;        // keys, as manual lists name them; in the order of their texts
  std::optional<int64_t> next_change_us;  // of anybody, by the clock alone
  // Against the present definition; nothing without one.
  struct Difference {
    uint64_t enter = 0, leave = 0;
    std::vector<std::string> entering, leaving;
  };
  std::optional<Difference> difference;
};

// `present`: what `definition` would replace; may be null. `sample`: keys of each kind, at most
// limits::sample_max. Problems of the definition are an error of kind config. Errors: also those of the
// server.
Result<Preview> preview(clickhouse::Client& client, const Definition& definition, const Definition* present,
                        const CompileOptions& options, int64_t as_of_us, size_t sample);

}  // namespace tidemark::segments

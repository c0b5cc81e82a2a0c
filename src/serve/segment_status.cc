#include "serve/segment_status.h"

#include <fmt/format.h>

namespace tidemark::serve {

std::string segment_metrics(const std::vector<segments::SegmentCounts>& segments) {
  if (segments.empty()) return {};
  std::string out = "# HELP tidemark_segment_members Members now\n# TYPE tidemark_segment_members gauge\n";
  // Segments are named by identifiers, so there is nothing to escape.
  for (const auto& segment : segments)
    out += fmt::format("tidemark_segment_members{{segment=\"{}\"}} {}\n", segment.segment, segment.members);
  out +=
      "# HELP tidemark_segment_changes_total Entries and exits since start\n# TYPE "
      "tidemark_segment_changes_total "
      "counter\n";
  for (const auto& segment : segments)
    for (auto [change, count] : {std::pair{"entered", segment.entered}, {"exited", segment.exited}})
      out += fmt::format("tidemark_segment_changes_total{{segment=\"{}\",change=\"{}\"}} {}\n",
                         segment.segment, change, count);
  return out;
}

}  // namespace tidemark::serve

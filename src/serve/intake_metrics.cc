#include "serve/intake_metrics.h"

#include <fmt/format.h>

namespace tidemark::serve {
namespace {

// Names of write keys are the user's words.
std::string escaped(std::string_view text) {
  std::string result;
  for (char character : text) {
    if (character == '"' || character == '\\') result += '\\';
    result += character == '\n' ? ' ' : character;
  }
  return result;
}

}  // namespace

std::string intake_metrics(const std::vector<ingest::SourceStatus>& sources) {
  std::string out;
  auto each = [&](const char* name, const char* type, const char* help, auto samples) {
    bool first = true;
    for (const auto& source : sources) {
      if (!source.intake) continue;
      auto sample = [&](const std::string& labels, auto value) {
        if (std::exchange(first, false))
          out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
        out += fmt::format("{}{{source=\"{}\"{}}} {}\n", name, source.source, labels, value);
      };
      samples(source, sample);
    }
  };
  each("tidemark_intake_accepted_total", "counter", "Events and rows that are durable, by write key",
       [](const auto& source, const auto& sample) {
         for (const auto& key : source.intake->keys)
           sample(fmt::format(",key=\"{}\"", escaped(key.name)), key.accepted);
       });
  each("tidemark_intake_rejected_total", "counter", "Events and bodies that were refused, by reason",
       [](const auto& source, const auto& sample) {
         for (const auto& [reason, count] : source.intake->rejected)
           sample(fmt::format(",reason=\"{}\"", escaped(reason)), count);
       });
  each("tidemark_intake_key_rejected_total", "counter", "The same by write key",
       [](const auto& source, const auto& sample) {
         for (const auto& key : source.intake->keys)
           sample(fmt::format(",key=\"{}\"", escaped(key.name)), key.rejected);
       });
  each("tidemark_intake_duplicates_total", "counter", "Accepted events whose id was there already",
       [](const auto& source, const auto& sample) { sample("", source.intake->duplicates); });
  each("tidemark_intake_suppressed_total", "counter", "Events and rows that were taken and not kept",
       [](const auto& source, const auto& sample) { sample("", source.intake->suppressed); });
  each("tidemark_spool_bytes", "gauge", "What the spool has on disk",
       [](const auto& source, const auto& sample) { sample("", source.intake->spool_bytes); });
  each("tidemark_spool_bytes_max", "gauge", "From here on nothing more is taken",
       [](const auto& source, const auto& sample) { sample("", source.intake->spool_bytes_max); });
  each("tidemark_spool_age_seconds", "gauge", "Age of the oldest event that is not queryable yet",
       [](const auto& source, const auto& sample) {
         sample("", static_cast<double>(source.intake->spool_age_ms) / 1000.0);
       });
  return out;
}

}  // namespace tidemark::serve

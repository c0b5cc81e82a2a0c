#include "serve/pull_metrics.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace tidemark::serve {
namespace {

constexpr double micros_a_second = 1e6;

class Samples {
 public:
  Samples(std::string& out, const std::vector<ingest::SourceStatus>& sources)
      : out_(out), sources_(sources) {}

  // `value` of each source that asks.
  template <typename Value>
  void of_sources(const char* name, const char* type, const char* help, const Value& value) {
    begin(name, type, help);
    for (const auto& source : sources_)
      if (source.pull) add(source.source, "", value(*source.pull));
  }
  // `value` of each of their streams; a negative one is left out.
  template <typename Value>
  void of_streams(const char* name, const char* type, const char* help, const Value& value) {
    begin(name, type, help);
    for (const auto& source : sources_) {
      if (!source.pull) continue;
      for (const auto& stream : source.pull->streams)
        if (auto measured = value(stream); measured >= 0)
          add(source.source, fmt::format(",stream=\"{}\"", stream.stream), measured);
    }
  }

 private:
  void begin(const char* name, const char* type, const char* help) {
    name_ = name;
    out_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
  }
  template <typename Value>
  void add(const std::string& source, const std::string& labels, Value value) {
    out_ += fmt::format("{}{{source=\"{}\"{}}} {}\n", name_, source, labels, value);
  }

  std::string& out_;
  const std::vector<ingest::SourceStatus>& sources_;
  const char* name_ = "";
};

}  // namespace

std::string pull_metrics(const std::vector<ingest::SourceStatus>& sources, int64_t now_micros) {
  std::string out;
  if (std::none_of(sources.begin(), sources.end(),
                   [](const auto& source) { return source.pull.has_value(); }))
    return out;
  using Pull = ingest::PullStatus;
  using Stream = ingest::PullStatus::Stream;
  auto seconds_until = [&](int64_t micros) {
    return micros <= now_micros ? 0.0 : static_cast<double>(micros - now_micros) / micros_a_second;
  };
  Samples samples(out, sources);
  samples.of_sources("tidemark_pull_failed", "gauge", "1: the last pass ended with an error",
                     [](const Pull& pull) { return pull.error.empty() ? 0 : 1; });
  samples.of_sources("tidemark_pull_waiting_seconds", "gauge", "How much longer a limit is waited for",
                     [&](const Pull& pull) { return seconds_until(pull.waiting_until_micros); });
  samples.of_sources("tidemark_pull_requests_total", "counter", "Requests sent",
                     [](const Pull& pull) { return static_cast<int64_t>(pull.requests); });
  samples.of_sources("tidemark_pull_throttled_total", "counter", "Waits that a limit asked for",
                     [](const Pull& pull) { return static_cast<int64_t>(pull.throttled); });
  samples.of_streams("tidemark_pull_passes_total", "counter", "Passes that came to their end",
                     [](const Stream& stream) { return static_cast<int64_t>(stream.passes); });
  samples.of_streams("tidemark_pull_pages_total", "counter", "Pages and files read",
                     [](const Stream& stream) { return static_cast<int64_t>(stream.pages); });
  samples.of_streams("tidemark_pull_rows_total", "counter", "Rows taken",
                     [](const Stream& stream) { return static_cast<int64_t>(stream.rows); });
  samples.of_streams("tidemark_pull_refused_rows_total", "counter", "Rows set aside",
                     [](const Stream& stream) { return static_cast<int64_t>(stream.refused); });
  samples.of_streams("tidemark_pull_stream_failed", "gauge", "1: the stream's last pass ended with an error",
                     [](const Stream& stream) { return stream.error.empty() ? 0 : 1; });
  samples.of_streams("tidemark_pull_watermark_age_seconds", "gauge",
                     "Age of the time until which everything is here", [&](const Stream& stream) {
                       return stream.watermark_micros == 0
                                  ? -1.0
                                  : std::max(0.0, static_cast<double>(now_micros - stream.watermark_micros) /
                                                      micros_a_second);
                     });
  return out;
}

}  // namespace tidemark::serve

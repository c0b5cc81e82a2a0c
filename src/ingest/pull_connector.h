// One API that a source asks (pull_desk.h): how its pages follow each other, what its limits mean, and what
// of an answer is a row. One thread.
#pragma once

#include "ingest/pull_desk.h"

namespace tidemark::ingest {

class PullConnector {
 public:
  virtual ~PullConnector() = default;
  // From where `progress` is to the end of a pass, each page landed before the next is asked for. On an error
  // `progress` is what was landed last.
  virtual Status pass(StreamProgress& progress) = 0;
};

std::unique_ptr<PullConnector> make_shopify_connector(PullDesk& desk);
std::unique_ptr<PullConnector> make_klaviyo_connector(PullDesk& desk);
std::unique_ptr<PullConnector> make_ga4_connector(PullDesk& desk);

// "2026-01-31T23:59:59Z" and "2026-01-31".
std::string api_time(int64_t micros);
std::string api_day(int64_t micros);

}  // namespace tidemark::ingest

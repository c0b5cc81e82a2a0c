// One question after the other to Shopify's Admin GraphQL API. A shop has a bucket of points that fills again
// by the second; an answer says what the question cost and what is left, so the next one waits for as long as
// it needs, and a question that was refused for this (THROTTLED, which comes with status 200) is asked again.
// One thread.
#pragma once

#include "ingest/pull_desk.h"

#include <boost/json.hpp>

namespace tidemark::ingest {

class ShopifyApi {
 public:
  explicit ShopifyApi(PullDesk& desk) : desk_(desk) {}

  struct Answer {
    boost::json::object data;
    int64_t moment = 0;  // of the API's clock
  };
  // Errors: limit (the question costs more than any may: ask for less), refused, those of asking.
  Result<Answer> ask(std::string_view query, boost::json::object variables);

 private:
  Status wait_for_points();

  PullDesk& desk_;
  int64_t ready_at_ = 0;  // when the bucket has what the last question cost
};

}  // namespace tidemark::ingest

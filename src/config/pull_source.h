// What a source asks for by itself, beside or instead of being called (`pull:` in sources/<name>.yaml):
// Shopify's Admin API, Klaviyo's, GA4's Data API. docs/SOURCES.md is its reference. Plain values, checked by
// the loader.
#pragma once

#include "base/secret.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::config {

enum class PullFrom : uint8_t { shopify, klaviyo, ga4 };

struct PullSettings {
  PullFrom from = PullFrom::shopify;
  std::string url;           // scheme, host and port; no slash at its end
  Secret token;              // empty: nothing is asked for
  std::string version;       // of the API
  std::string group;         // Shopify: the shop's domain; GA4: the property's number
  int64_t every_s = 900;     // between two passes
  int64_t overlap_s = 3600;  // how far behind its last pass one begins
  int64_t late_days = 4;     // GA4: days that are read again
  std::string since;         // a day; empty: everything there is (GA4: 30 days)
  std::vector<std::string> streams;

  // In database bronze, of the source called `name`: how far each stream is; GA4's reports.
  static std::string progress_table(const std::string& name) { return name + "_progress"; }
  static std::string reports_table(const std::string& name) { return name + "_reports"; }
};

const char* name(PullFrom from);
// What can be asked of it, in the order of asking.
const std::vector<std::string>& streams_of(PullFrom from);

}  // namespace tidemark::config

// Where notifications go, as the user wrote it (destinations/<name>.yaml). docs/NOTIFICATIONS.md is its
// reference. Plain values, checked by the loader.
#pragma once

#include "base/error.h"
#include "base/secret.h"
#include "config/diagnostic.h"
#include "config/network.h"
#include "config/text_template.h"

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tidemark::config {

// Addresses that are not public may be connected to: all, or those of these networks.
struct AllowedPrivate {
  bool all = false;
  std::vector<Network> networks;
};

struct WebhookDestination {
  Secret url;
  std::string shown;            // scheme, host and port of the URL
  std::vector<Secret> secrets;  // whsec_...; several while receivers change from one to another
  std::vector<std::pair<std::string, Secret>> headers;
  AllowedPrivate allow_private;
  int64_t timeout_seconds = 15;
};

struct SlackDestination {
  Secret url;
  std::string shown;
  TextTemplate text;
  AllowedPrivate allow_private;
};

struct KafkaDestination {
  std::string brokers, topic;
  std::map<std::string, Secret> settings;
};

struct PostgresDestination {
  Secret url;
  std::string table;  // name or schema.name
};

struct FileDestination {
  std::filesystem::path path;  // absolute
};

struct MailDestination {
  std::string url;  // smtp://host:port or smtps://host:port
  bool starttls = true;
  std::string user;
  Secret password;
  std::string from;
  std::vector<std::string> to;
  TextTemplate subject, text;
};

struct FeedDestination {};

struct Destination {
  std::string name;
  std::variant<WebhookDestination, SlackDestination, KafkaDestination, PostgresDestination, FileDestination,
               MailDestination, FeedDestination>
      to;
  size_t concurrency = 1;  // parcels under way at once
  size_t batch = 1;        // notifications in one
  bool batches = false;    // `batch` is written: a webhook's body is always a batch
  int64_t batch_wait_seconds = 0;
  Location where;
};

// Those of the project in `directory`, by file name. load_project() has found every mistake before; an error
// here is config, with all of them.
Result<std::vector<Destination>> load_destinations(const std::filesystem::path& directory);

}  // namespace tidemark::config

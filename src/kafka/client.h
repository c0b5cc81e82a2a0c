// What every client of librdkafka begins with: its settings, and what it complains about. For .cc files of
// this room only: librdkafka's header is a heavy one.
//
// Failures that the client mends by itself (a broker that is away) are told through on_error and kept as
// trouble. Complaints is thread-safe; librdkafka calls from threads of its own.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <functional>
#include <librdkafka/rdkafka.h>
#include <map>
#include <mutex>
#include <string>

namespace tidemark::kafka {

constexpr size_t error_text_bytes = 512;

class Complaints {
 public:
  void set(std::string text) {
    std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }
  void clear() { set({}); }
  // The last one; empty when all is well.
  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// `own`, the user's, win over `settings`. `prepare` sets callbacks and the opaque pointer they get. Errors:
// config, without any value: it may be a password.
Result<rd_kafka_t*> open_client(rd_kafka_type_t type, std::map<std::string, std::string> settings,
                                const std::map<std::string, Secret>& own,
                                const std::function<void(rd_kafka_conf_t*)>& prepare);

// What an error callback does with it.
void complain(Complaints& complaints, rd_kafka_t* client, int code, const char* reason);

// Warnings and worse to our log; what is below is the noise of reconnecting.
void log_of_client(const rd_kafka_t* client, int level, const char* facility, const char* text);

}  // namespace tidemark::kafka

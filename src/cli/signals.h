// The signals the program ends or reloads by, taken one at a time by whoever waits instead of by a handler.
#pragma once

#include <chrono>

namespace tidemark::cli {

// SIGINT, SIGTERM and SIGHUP, as a question. Call block() before any thread is made, so that only wait() sees
// them.
class Signals {
 public:
  static void block();
  // The signal that came within `timeout`, or 0.
  static int wait(std::chrono::milliseconds timeout);
  // SIGINT or SIGTERM has come and nobody has waited for it yet.
  static bool pending();
  // Likewise, of SIGHUP.
  static bool reload_pending();
};

}  // namespace tidemark::cli

// Where somebody looks at the tables while no cut is half in. A transaction that touches two tables arrives
// as two parts; who looks between them sees a state that never was. Numbers that are read again at the fence
// do not mind; what is told to others and cannot be taken back does.
//
// Appliers bracket the sending of a cut's parts with enter() and leave(), by the name of their stream: a cut
// that failed half way stays half in until the stream sends it again. run() keeps new cuts out, waits until
// none is half in, and runs the action; an applier may call it itself once its own parts are in. Bounded: a
// stream that stays half in longer than limits::half_in_patience (it is broken, and says so) is not waited
// for. Thread-safe.
#pragma once

#include "base/error.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>

namespace tidemark::ingest {

class PartsGate {
 public:
  // Waits while an action runs.
  void enter(const std::string& stream);
  void leave(const std::string& stream);

  Status run(const std::function<Status()>& action);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> half_in_;
  int waiting_ = 0;  // actions, the running one included
  bool running_ = false;
};

}  // namespace tidemark::ingest

// Life for the experiments pack's source database: users who are assigned, exposed, click, come back and buy,
// in three experiments whose true effects are known (table true_effects):
//
//   checkout_button  green converts a tenth more users; blue does nothing
//   free_shipping    does nothing, and one in five of its treated users is never logged: a mismatch of the
//                    sample ratio that a read-out must see
//   new_ranking      raises clicks by 60 % in the first fifth of the time and by nothing later: a novelty
//
// And what makes numbers hard: events that arrive after later ones, events sent twice (one request_id, two
// ids), users that see two variants, corrections and deletes. Whatever is written to events and assignments
// is also announced in outbox_events, in the same transaction.
//
// One connection; deterministic on an empty schema under one seed. Threads: one at a time; `stop` as in
// finance_generator.h.
#pragma once

#include "base/error.h"
#include "cli/copy_writer.h"
#include "cli/generator_pace.h"
#include "cli/generator_random.h"
#include "postgres/connection.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tidemark::cli {

struct ExperimentsCounts {
  int64_t events = 0;  // rows of events, repeated ones included
  int64_t users = 0;
  int64_t updates = 0, deletes = 0, commits = 0;
};

class ExperimentsGenerator {
 public:
  static Result<ExperimentsGenerator> open(const postgres::ConnectionOptions& options, uint64_t seed,
                                           const std::atomic<bool>& stop);

  std::function<void(const ExperimentsCounts&)> on_progress;  // after every commit

  // Rows are events, updates corrected values.
  Status add_traffic(const Stretch& traffic);
  Status delete_everything();
  bool has_history() const { return next_event_ > 1; }
  const ExperimentsCounts& counts() const { return counts_; }

 private:
  struct Event {
    int64_t id = 0;
    int experiment = 0, variant = 0;
    std::string user, type, request, session, properties;
    int64_t at_micros = 0, assigned_micros = 0;
  };
  struct Assigned {
    std::string user;
    int experiment = 0, variant = 0;
    int64_t at_micros = 0;
  };

  ExperimentsGenerator(postgres::Connection connection, uint64_t seed, const std::atomic<bool>& stop)
      : connection_(std::move(connection)), random_(seed), stop_(&stop) {}

  Status prepare();
  Status add_definitions(int64_t now_micros);
  void add_user(int64_t at_micros, double progress);
  void add_visit(const Assigned& who, const std::string& type, int64_t at_micros, const std::string& device,
                 double value);
  Status write_commit(const Stretch& traffic, std::vector<Event> events);
  Status change_events(const Stretch& traffic, int64_t rows);
  // A table whose rows the outbox tells, and the column of their moment.
  struct Told {
    const char *table, *aggregate, *moment;
  };
  static constexpr Told events_told{"events", "event", "timestamp"};
  static constexpr Told assignments_told{"assignments", "assignment", "assigned_at"};
  Status announce(const Told& told, int64_t count, const std::string& type, const std::string& condition,
                  const std::string& ids);

  postgres::Connection connection_;
  GeneratorRandom random_;
  const std::atomic<bool>* stop_;
  int64_t next_event_ = 1, next_assignment_ = 1, next_user_ = 1, next_outbox_ = 1;
  std::multimap<int64_t, Event> waiting_;  // by the moment they are written
  std::vector<std::pair<std::string, int64_t>> new_users_;
  std::vector<Assigned> new_assignments_;
  std::deque<int64_t> recent_;  // ids of conversions that may be corrected; bounded
  ExperimentsCounts counts_;
};

// What `tidemark generate experiments` does; `demo` calls the same.
constexpr PaceDefaults experiments_pace = {.history_rows = 250'000,
                                           .round_rows = 10'000,
                                           .transaction_rows = 2'000,
                                           .updates = 0.01,
                                           .deletes = 0.001};
Status generate_experiments(ExperimentsGenerator& generator, const Pace& plan, const std::atomic<bool>& stop);

}  // namespace tidemark::cli

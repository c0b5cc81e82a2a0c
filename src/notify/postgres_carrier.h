// Notifications in a Postgres database: table <table> has the newest notification of each (subject, entity)
// with `active`, false after one whose kind ends in .exited or .resolved; table <table>_log has all of them.
// Both are made when they are missing. One transaction a parcel; a row is only replaced by one of a higher
// seq and the log keeps each id once, so replays change nothing.
#pragma once

#include "base/secret.h"
#include "notify/carrier.h"
#include "postgres/connection.h"

#include <optional>

namespace tidemark::notify {

struct PostgresOptions {
  std::string destination;
  Secret url;
  std::string table;  // name, or schema.name
};

class PostgresCarrier : public Carrier {
 public:
  explicit PostgresCarrier(PostgresOptions options);
  Outcome carry(const std::vector<Notification>& notifications) override;

 private:
  Status connect();
  Status write(const std::string& rows);

  PostgresOptions options_;
  Redaction redaction_;
  std::string table_, log_;  // quoted
  std::optional<postgres::Connection> connection_;
};

}  // namespace tidemark::notify

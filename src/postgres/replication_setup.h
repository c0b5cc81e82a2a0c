// Publications and slots: what must exist on the source before changes can be captured.
#pragma once

#include "postgres/catalog.h"

namespace tidemark::postgres {

// Makes the publication cover exactly these tables, all operations, changes of partitions under their root's
// name. Creates or alters only what differs. A publication that we may alter carries the slot it is for in
// its comment, so that two projects do not take each other's tables out of it; that of a slot which is gone
// is taken over. Errors: refused with what to GRANT or run instead; conflict when it is another slot's.
Status ensure_publication(Connection& connection, const std::string& name, const std::string& slot,
                          const std::vector<SourceTable>& tables);
// The slot, other than `slot`, that exists and that the publication is for; empty: none.
Result<std::string> other_slot_of_publication(Connection& connection, const std::string& name,
                                              const std::string& slot);

struct CreatedSlot {
  Lsn consistent_point = 0;   // the stream starts after it; the snapshot shows everything before it
  std::string snapshot_name;  // good until the replication connection runs another command or closes
};
// Needs a connection with `replication`. A temporary slot goes away with the connection.
// Errors: conflict when the slot exists.
Result<CreatedSlot> create_slot(Connection& replication_connection, const std::string& name, bool temporary);

struct SlotInfo {
  bool active = false;
  int active_pid = 0;
  std::string active_application;  // of the holder, when visible
  std::string plugin;
  std::string database;
  Lsn confirmed_flush = 0;
  Lsn restart_lsn = 0;
  std::string wal_status;       // reserved | extended | unreserved | lost: at `lost` the slot is useless
  Lsn log_end = 0;              // of the server
  uint64_t retained_bytes = 0;  // of the log, from restart_lsn on
  std::optional<uint64_t> left_bytes;  // that may come before it is lost; nothing: the server has no bound
};
Result<std::optional<SlotInfo>> read_slot(Connection& connection, const std::string& name);
// No error when there is none. Errors: conflict when somebody streams from it.
Status drop_slot(Connection& connection, const std::string& name);

// Writes a small non-transactional message into the log, so that the slot of an idle database advances.
Status emit_heartbeat(Connection& connection, const std::string& prefix = "tidemark");

}  // namespace tidemark::postgres

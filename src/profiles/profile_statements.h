// The SELECTs whose rows are kept by person: of new rows, of those that move, of those that go. Each has the
// columns of the table it is for, _committed_at and _sign (1 comes, -1 goes). Pure text.
#pragma once

#include "profiles/profile_plan.h"

#include <string>
#include <vector>

namespace tidemark::profiles {

// A mirrored table as the warehouse has it.
struct MirroredRows {
  IdTable table;
  std::vector<std::string> key;  // columns
  ingest::CapturedTable copy;
  std::string row_key, ids;  // SQL over its columns
};

// Those of bronze.<table> that fulfil the condition (empty: all), each with the profile its strongest id has.
std::string events_by_person(const Definition& definition, const ProfileTables& tables,
                             const std::string& table, const std::string& condition);
std::string rows_of_table(const MirroredRows& rows, const ProfileTables& tables,
                          const std::string& condition);
// Of ids whose profile the plan of `step` changes; `condition` narrows them further.
std::string moved_rows(const ProfileTables& tables, const ingest::CapturedTable& copy, uint64_t step,
                       const std::string& condition);
// Events of which `erased.aside` has copies.
std::string erased_events(const Definition& definition, const ProfileTables& tables,
                          const ErasedRows& erased);
std::string gone_rows(const ingest::CapturedTable& copy, const std::string& condition);

}  // namespace tidemark::profiles

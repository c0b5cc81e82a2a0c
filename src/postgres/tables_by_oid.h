// Many tables in a handful of questions: a start looks at all of its tables, and one by one a thousand of
// them took longer than everything else. Tables that are gone are not in the answer. Errors: those of the
// connection.
#pragma once

#include "postgres/catalog.h"

namespace tidemark::postgres {

Result<std::vector<SourceTable>> read_tables_by_oid(Connection& connection,
                                                    const std::vector<uint32_t>& oids);

}  // namespace tidemark::postgres

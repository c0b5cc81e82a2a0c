// The file of a bulk operation: a line an object, in which the elements of nested lists are lines of their
// own, behind their parent somewhere in the file (__parentId). They are put together again in memory of a
// bound: the file is cut into parts by the parent's id, so that an object and all of its lines are in one,
// and parts are read one by one.
//
// A line that is no JSON, or whose parent is not there, is refused and told. One thread.
#pragma once

#include "base/error.h"

#include <boost/json.hpp>
#include <filesystem>
#include <functional>
#include <string_view>

namespace tidemark::ingest {

// Takes objects with their lists as {"nodes": [...]}, named for the type of their elements, and what was
// refused.
struct BulkReceiver {
  std::function<Status(boost::json::object)> object;
  std::function<Status(std::string_view why, std::string_view line)> refused;
};

// `scratch`: a directory that exists; parts are made there and taken away. Errors: of the disk, of the
// receiver.
Status read_bulk_file(const std::filesystem::path& file, const std::filesystem::path& scratch,
                      const BulkReceiver& receiver);

}  // namespace tidemark::ingest

// Which links were made (shared_link.h), and which of them are taken back, in the project's directory:
//
//   .tidemark/links/<id>.json       what was made, for people; the link works without it
//   .tidemark/links/<id>.revoked    the link shows nothing any more
//
// A file for each, so that two who write at once do not meet. Those whose time has been over for a day are
// removed by whoever looks at the list.
//
// Threads: any. Errors: dependency_down (the files can be neither read nor written), usage (no such link).
#pragma once

#include "serve/shared_link.h"

#include <filesystem>
#include <string>
#include <vector>

namespace tidemark::serve {

struct MadeLink {
  SharedLink link;
  int64_t made_s = 0;  // since 1970
  bool revoked = false;
};

class LinkRegister {
 public:
  explicit LinkRegister(const std::filesystem::path& project_directory);

  Status add(const SharedLink& link, int64_t now_s) const;
  // The newest first.
  Result<std::vector<MadeLink>> list(int64_t now_s) const;
  Status revoke(const std::string& id, int64_t now_s) const;
  // False for links without an id.
  bool is_revoked(const std::string& id) const;

 private:
  std::filesystem::path file(const std::string& id, const char* kind) const;
  const std::filesystem::path directory_;
};

}  // namespace tidemark::serve

// Which chunks of a trace's file are known to have page streams that say what their columns say:
// those that were compared, or made of the columns, by this user on this computer. So a file from
// elsewhere is believed in nothing, and one that is replayed often is compared once.
//
// A file is known by where it is and when it was last changed (FileState): whoever writes to it,
// replaces it or copies it makes another one, which is to be compared anew. What is known is shared
// by all readers of a process. Of files that take long to compare it is kept for other processes,
// too, in a folder of the user's, $XDG_CACHE_HOME/mmusim/page-streams or
// ~/.cache/mmusim/page-streams, in at most 1024 small files; where there is no such folder, or
// others may write to it, each process compares anew. Nothing but time hangs on it, and the folder
// may be removed at any time.
//
// Safe to use from several threads. No errors: what cannot be kept is not.
#ifndef MMUSIM_TRACE_COMPARED_CHUNKS_H_
#define MMUSIM_TRACE_COMPARED_CHUNKS_H_

#include <cstddef>
#include <optional>
#include <string>

#include "base/file_state.h"
#include "base/output_file.h"

namespace mmusim::trace {

class ComparedChunks {
 public:
  // Of the file as it was when it was opened.
  explicit ComparedChunks(const std::optional<FileState>& file);
  ~ComparedChunks() { keep(); }
  ComparedChunks(const ComparedChunks&) = delete;
  ComparedChunks& operator=(const ComparedChunks&) = delete;

  // Chunks are numbered from 0.
  [[nodiscard]] bool has(size_t chunk) const;
  void add(size_t chunk);
  // Keeps for other processes what was added.
  void keep() noexcept;

 private:
  std::string file_;  // empty: nothing is to be known of it
  bool lasts_ = false;
  bool added_ = false;
};

// Commits a trace of so many chunks whose page streams were made of their columns; 0: there are
// none to speak of. Takes up to some hundredths of a second longer for one that is worth keeping
// (FileState::settled).
void commit_compared(OutputFile& file, size_t chunks);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_COMPARED_CHUNKS_H_

// Files that become shorter or longer, and holes punched into them, while they are mapped (Linux:
// truncate_pagecache, truncate_pagecache_range, mm/truncate.c).
//
// Who shows a page that goes away loses it, in every process: by truncation also private copies of
// it, by a hole only what shows the file's own page. Where a folio lies across the border all of it
// is unmapped; a clean one is divided there, a dirty one stays as it is, and so do its pages, which
// are zero from then on. What is read again behind the border is as if it had never been written.
#ifndef MMUSIM_KERNEL_TRUNCATE_H_
#define MMUSIM_KERNEL_TRUNCATE_H_

#include <cstdint>

#include "base/types.h"
#include "kernel/core.h"

namespace mmusim::kernel {

// The file has so many bytes from now on.
void truncate_file(Core& core, FileId file, uint64_t bytes);

// The bytes hold nothing any more; the length stays (FALLOC_FL_PUNCH_HOLE with FALLOC_FL_KEEP_SIZE,
// MADV_REMOVE). Of a page of which only a part goes nothing is unmapped.
void punch_hole(Core& core, FileId file, uint64_t offset, uint64_t bytes);

// fallocate: holes and ranges of zeros are punched; else the file gets as long as is said. Pages of
// files on disk that this makes are not in memory, those of memory are. -EOPNOTSUPP: ranges that
// are cut out or put in (FALLOC_FL_COLLAPSE_RANGE, INSERT_RANGE) and whatever else; -ENOSPC: more
// memory than there is.
int64_t allocate_file(Core& core, FileId file, uint32_t mode, uint64_t offset, uint64_t bytes);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_TRUNCATE_H_

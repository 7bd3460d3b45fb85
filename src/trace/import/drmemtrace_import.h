// The files of a drmemtrace recording into one history.
//
// Each file is a stream of records, of one thread or (core-sharded, or merged by DynamoRIO) of
// several. The time stamps in them decide the order: the file goes on whose last time stamp is
// least, up to its next one; of equal ones the one on the lower CPU, of the lower thread. That is
// the order of DynamoRIO's own schedule files, which are made of the same time stamps. The same
// files always give the same order.
//
// Memory: a buffer of 96 KiB and the decompressor (0.4 MB for zip) for each file that has begun and
// not ended, and some hundred bytes for each thread; not dependent on the length of the files.
//
// Sink is Writer or something with its functions thread(), instruction(), access() and event().
#ifndef MMUSIM_TRACE_IMPORT_DRMEMTRACE_IMPORT_H_
#define MMUSIM_TRACE_IMPORT_DRMEMTRACE_IMPORT_H_

#include "trace/import/drmemtrace_import_class.h"
#include "trace/import/drmemtrace_records_impl.h"
#include "trace/import/drmemtrace_threads_impl.h"

#endif  // MMUSIM_TRACE_IMPORT_DRMEMTRACE_IMPORT_H_

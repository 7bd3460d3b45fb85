// What verify, cut, merge and prepare found and made: as tables, and as text.
#ifndef MMUSIM_REPORT_TRACE_TOOLS_TABLE_H_
#define MMUSIM_REPORT_TRACE_TOOLS_TABLE_H_

#include <string>

#include "report/table.h"
#include "trace/cut.h"
#include "trace/merge.h"
#include "trace/prepare.h"
#include "trace/verify.h"

namespace mmusim::report {

// "1,000 instructions, 300 data accesses, 2 events".
std::string totals_text(const trace::Totals& totals);

// One row a kind of remark.
Table remark_table(const trace::VerifyReport& report);
Document verify_document(const std::string& path, const trace::VerifyReport& report);
std::string verify_text(const std::string& path, const trace::VerifyReport& report);

// One row.
Table cut_table(const std::string& output, const trace::CutResult& result);
Document cut_document(const std::string& path, const std::string& output,
                      const trace::CutResult& result);
std::string cut_text(const std::string& output, const trace::CutResult& result);

// One row a trace.
Table merge_table(const trace::MergeResult& result);
Document merge_document(const std::string& output, const trace::MergeResult& result);
std::string merge_text(const std::string& output, const trace::MergeResult& result);

// One row.
Table prepare_table(const std::string& output, const trace::PrepareResult& result);
Document prepare_document(const std::string& path, const std::string& output,
                          const trace::PrepareResult& result);
std::string prepare_text(const std::string& output, const trace::PrepareResult& result);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_TRACE_TOOLS_TABLE_H_

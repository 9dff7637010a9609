/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of base/yaml only. */
#pragma once

#include <yaml.h>

#include "base/yaml.h"

/* libyaml's functions, after it was opened. */
typedef struct sp_libyaml {
	__typeof__(yaml_parser_initialize) *parser_initialize;
	__typeof__(yaml_parser_delete) *parser_delete;
	__typeof__(yaml_parser_set_input_string) *parser_set_input_string;
	__typeof__(yaml_parser_set_encoding) *parser_set_encoding;
	__typeof__(yaml_parser_parse) *parser_parse;
	__typeof__(yaml_event_delete) *event_delete;
	__typeof__(yaml_emitter_initialize) *emitter_initialize;
	__typeof__(yaml_emitter_delete) *emitter_delete;
	__typeof__(yaml_emitter_set_output) *emitter_set_output;
	__typeof__(yaml_emitter_set_unicode) *emitter_set_unicode;
	__typeof__(yaml_emitter_emit) *emitter_emit;
	__typeof__(yaml_stream_start_event_initialize) *stream_start;
	__typeof__(yaml_stream_end_event_initialize) *stream_end;
	__typeof__(yaml_document_start_event_initialize) *document_start;
	__typeof__(yaml_document_end_event_initialize) *document_end;
	__typeof__(yaml_scalar_event_initialize) *scalar;
	__typeof__(yaml_sequence_start_event_initialize) *sequence_start;
	__typeof__(yaml_sequence_end_event_initialize) *sequence_end;
	__typeof__(yaml_mapping_start_event_initialize) *mapping_start;
	__typeof__(yaml_mapping_end_event_initialize) *mapping_end;
} sp_libyaml;

/* The table, opening the library at the first call from any thread. NULL: SP_EUNSUPPORTED is in err. */
const sp_libyaml *sp_libyaml_open(sp_err *err);

typedef enum sp_yaml_tag {
	SP_YAML_STR,
	SP_YAML_NULL,
	SP_YAML_BOOL,
	SP_YAML_INT,  /* int64 */
	SP_YAML_UINT, /* above int64 */
	SP_YAML_FLOAT,
	SP_YAML_TIMESTAMP,
} sp_yaml_tag;

typedef struct sp_yaml_scalar {
	sp_yaml_tag tag;
	union {
		bool boolean;
		int64_t i64;
		uint64_t u64;
		double f64;
	};
} sp_yaml_scalar;

/* What plain text stands for. */
sp_yaml_scalar sp_yaml_resolve(sp_str text);

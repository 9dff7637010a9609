/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <pthread.h>

#include "base/yaml_int.h"

static pthread_once_t opened = PTHREAD_ONCE_INIT;
static sp_libyaml lib;
static char problem[SP_ERR_MSG_BYTES / 2]; /* empty when the library is there */

static const struct {
	const char *name;
	size_t at;
} symbols[] = {
	{"yaml_parser_initialize", offsetof(sp_libyaml, parser_initialize)},
	{"yaml_parser_delete", offsetof(sp_libyaml, parser_delete)},
	{"yaml_parser_set_input_string", offsetof(sp_libyaml, parser_set_input_string)},
	{"yaml_parser_set_encoding", offsetof(sp_libyaml, parser_set_encoding)},
	{"yaml_parser_parse", offsetof(sp_libyaml, parser_parse)},
	{"yaml_event_delete", offsetof(sp_libyaml, event_delete)},
	{"yaml_emitter_initialize", offsetof(sp_libyaml, emitter_initialize)},
	{"yaml_emitter_delete", offsetof(sp_libyaml, emitter_delete)},
	{"yaml_emitter_set_output", offsetof(sp_libyaml, emitter_set_output)},
	{"yaml_emitter_set_unicode", offsetof(sp_libyaml, emitter_set_unicode)},
	{"yaml_emitter_emit", offsetof(sp_libyaml, emitter_emit)},
	{"yaml_stream_start_event_initialize", offsetof(sp_libyaml, stream_start)},
	{"yaml_stream_end_event_initialize", offsetof(sp_libyaml, stream_end)},
	{"yaml_document_start_event_initialize", offsetof(sp_libyaml, document_start)},
	{"yaml_document_end_event_initialize", offsetof(sp_libyaml, document_end)},
	{"yaml_scalar_event_initialize", offsetof(sp_libyaml, scalar)},
	{"yaml_sequence_start_event_initialize", offsetof(sp_libyaml, sequence_start)},
	{"yaml_sequence_end_event_initialize", offsetof(sp_libyaml, sequence_end)},
	{"yaml_mapping_start_event_initialize", offsetof(sp_libyaml, mapping_start)},
	{"yaml_mapping_end_event_initialize", offsetof(sp_libyaml, mapping_end)},
};

static void open_once(void)
{
	void *handle = dlopen("libyaml-0.so.2", RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		(void)snprintf(problem, sizeof problem, "%s", dlerror());
		return;
	}
	for (size_t i = 0; i < SP_LEN(symbols); i++) {
		void *symbol = dlsym(handle, symbols[i].name);
		if (symbol == NULL) {
			(void)snprintf(problem, sizeof problem, "libyaml-0.so.2 lacks %s", symbols[i].name);
			return;
		}
		memcpy((char *)&lib + symbols[i].at, &symbol, sizeof symbol);
	}
}

const sp_libyaml *sp_libyaml_open(sp_err *err)
{
	(void)pthread_once(&opened, open_once);
	if (problem[0] == '\0')
		return &lib;
	(void)sp_fail(err, SP_EUNSUPPORTED, "YAML needs libyaml: %s", problem);
	return NULL;
}

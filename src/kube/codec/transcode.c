/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/transcode.h"

#include "base/yaml.h"
#include "kube/protobuf.h"

static sp_code to_yaml(sp_arena *a, sp_str json, sp_buf *out, sp_err *err)
{
	yyjson_mut_val *v = NULL;
	yyjson_mut_doc *doc = sp_json_doc(a);
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "the object needs more memory than is allowed here");
	SP_TRY(sp_json_parse_mut(a, json, doc, &v, err));
	return sp_yaml_write(out, v, err);
}

sp_code sp_transcode(sp_arena *a, const sp_schema *schema, sp_str json, sp_encoding want, sp_buf *out,
		     sp_err *err)
{
	switch (want) {
	case SP_ENC_YAML:
		return to_yaml(a, json, out, err);
	case SP_ENC_PROTOBUF:
		return sp_protobuf_encode(a, out, schema, json, err);
	case SP_ENC_JSON:
	case SP_ENC_COUNT_:
	default:
		if (sp_buf_str(out, json) == SP_OK)
			return SP_OK;
		return sp_fail(err, sp_buf_code(out), "the object needs more room than is allowed here");
	}
}

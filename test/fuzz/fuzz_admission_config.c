/* SPDX-License-Identifier: Apache-2.0 */
/* --admission-control-config-file: what is accepted tells plugins something that can be written as JSON and
 * is accepted again. The files it names are not there. */
#include "apiserver/admission/admission.h"
#include "apiserver/admission/config.h"
#include "base/buf.h"
#include "io/sim/sim.h"

#define TEXT_BYTES ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define YAML_KEY_MAX 1024

/* One plugin's part, in an AdmissionConfiguration of its own. */
static void again(sp_world *w, const char *plugin, yyjson_mut_val *told)
{
	SP_AUTO_BUF text;
	api_admission_config *c = NULL;
	sp_err err = {0};
	sp_buf_init(&text, TEXT_BYTES);
	(void)sp_buf_printf(
		&text,
		"{\"kind\":\"AdmissionConfiguration\",\"apiVersion\":\"apiserver.config.k8s.io/v1\","
		"\"plugins\":[{\"name\":\"%s\",\"configuration\":",
		plugin);
	SP_ASSERT(sp_json_write_mut(&text, told) == SP_OK);
	(void)sp_buf_str(&text, SP_STR("}]}"));
	/* A key of a flow mapping in YAML has 1024 characters at most, as it is written. */
	if (sp_buf_view(&text).len > YAML_KEY_MAX)
		return;
	if (api_admission_config_new(w, SP_STR("/etc"), sp_buf_view(&text), &c, &err) != SP_OK)
		SP_ASSERT(err.code == SP_ETOOLARGE || err.code == SP_ENOMEM);
	api_admission_config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_sim *sim = sp_sim_new(&(sp_sim_opts){.seed = 1});
	sp_world *w = sp_sim_world(sp_sim_host_new(sim, "h", NULL, NULL));
	api_admission_config *c = NULL;
	if (api_admission_config_new(w, SP_STR("/etc"), (sp_str){(const char *)data, size}, &c, NULL) ==
	    SP_OK) {
		for (size_t i = 0; i < api_n_admission_plugins; i++) {
			const char *plugin = api_admission_plugins[i].name;
			yyjson_mut_val *told = api_admission_config_of(c, plugin);
			if (told != NULL)
				again(w, plugin, told);
		}
		api_admission_config_free(c);
	}
	sp_sim_free(sim);
	return 0;
}

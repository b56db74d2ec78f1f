"""The configuration as auto_complete_config may complete it."""


class ModelConfig:
    """The configuration that auto_complete_config may complete."""

    def __init__(self, config):
        self._config = config

    def as_dict(self):
        return self._config

    def set_max_batch_size(self, max_batch_size):
        if self._config.get("max_batch_size", 0) > max_batch_size:
            raise ValueError(
                "configuration specified max_batch_size %d, but in auto-complete-config function for model '%s' specified "
                "max_batch_size %d" % (self._config["max_batch_size"], self._config.get("name", ""), max_batch_size))
        self._config["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self):
        for other in ("sequence_batching", "ensemble_scheduling"):
            if other in self._config:
                raise ValueError(
                    "Configuration specified scheduling_choice as '%s', but auto-complete-config function for model '%s' tries "
                    "to set scheduling_choice as 'dynamic_batching'" % (other, self._config.get("name", "")))
        self._config.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy_dict):
        for key in transaction_policy_dict:
            if key != "decoupled":
                raise ValueError("model transaction property must be 'decoupled', got '%s'" % key)
        wanted = transaction_policy_dict.get("decoupled")
        if wanted is None:
            return
        policy = self._config.setdefault("model_transaction_policy", {})
        if policy.get("decoupled") and not wanted:
            raise ValueError(
                "trying to change decoupled property in auto-complete-config for model '%s', which is already set to 'True'."
                % self._config.get("name", ""))
        policy["decoupled"] = bool(wanted)

    def add_input(self, input):
        self._add("input", input, ("name", "data_type", "dims", "optional", "allow_ragged_batch"))

    def add_output(self, output):
        self._add("output", output, ("name", "data_type", "dims"))

    def _add(self, role, tensor, allowed):
        for key in tensor:
            if key not in allowed:
                raise ValueError(
                    "%s property '%s' in auto-complete-config function for model '%s' is none of %s"
                    % (role, key, self._config.get("name", ""), ", ".join(allowed)))
        for key in ("name", "data_type", "dims"):
            if key not in tensor:
                raise ValueError(
                    "%s is missing '%s' property in auto-complete-config function for model '%s'."
                    % (role, key, self._config.get("name", "")))
        listed = self._config.setdefault(role, [])
        for known in listed:
            if known["name"] == tensor["name"]:
                self._merge(role, known, tensor)
                return
        listed.append(dict(tensor, dims=list(tensor["dims"])))

    def _merge(self, role, known, tensor):
        if known.get("data_type") not in (None, "", "TYPE_INVALID") and known["data_type"] != tensor["data_type"]:
            raise ValueError(
                "unable to load model '%s', configuration expects datatype %s for %s '%s', model provides %s"
                % (self._config.get("name", ""), known["data_type"], role, tensor["name"], tensor["data_type"]))
        if known.get("dims") and list(known["dims"]) != list(tensor["dims"]):
            raise ValueError(
                "model '%s', tensor '%s': the model expects dims %s but the model configuration specifies dims %s"
                % (self._config.get("name", ""), tensor["name"], list(tensor["dims"]), list(known["dims"])))
        known.update(data_type=tensor["data_type"], dims=list(tensor["dims"]))
        for key in ("optional", "allow_ragged_batch"):
            if key in tensor:
                known[key] = tensor[key]

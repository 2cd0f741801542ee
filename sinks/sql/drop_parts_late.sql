ALTER TABLE ${table} RESET SETTING old_parts_lifetime;

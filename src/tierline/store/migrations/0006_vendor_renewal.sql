-- A vendor's settings with a duration renew it from the day of the renewal, by the vendor's formula.
-- Versions saved before that was said in the rules say it now; a policy of the caller's own, sent
-- beside the settings, stays as it is. Text, not jsonb: the order of a vendor's fields is kept.

UPDATE program_version
SET body = regexp_replace(
    body,
    '("term":\{"type":"duration"[^{}]*(\{[^{}]*\})?[^{}]*\})',
    '\1,"renewal":{"basis":"now"}'
)
WHERE request::jsonb ? 'settings'
    AND NOT request::jsonb ? 'policy'
    AND body::jsonb -> 'policy' -> 'term' ->> 'type' = 'duration'
    AND NOT body::jsonb -> 'policy' ? 'renewal';

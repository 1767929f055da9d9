{% test holds(model, identity) %}
select *
from {{ model }}
where ({{ identity }}) is not true
{% endtest %}
